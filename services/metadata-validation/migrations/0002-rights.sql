-- What metadata-validation may do, table by table. A member or a block is there or not, and is never
-- changed; migrations are their owner's.
revoke all on all tables in schema directory from twotick_directory;
grant select, insert, update, delete
  on directory.account, directory.device, directory.conversation, directory.key_package
  to twotick_directory;
grant select, insert, delete on directory.member, directory.block to twotick_directory;
