-- The keys of devices that were unlinked, or whose account was deleted: none of them is linked or
-- registered again. A request that has no answer is repeated, and the first one may be carried out long
-- after the second, behind the unlinking of the device that it links. Digests, which name nobody; they
-- stay, as what was signed once stays valid.
create table directory.retired_key (
  digest bytea primary key
);
grant select, insert on directory.retired_key to twotick_directory;
