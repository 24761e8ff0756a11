-- The digests of a device's last publications of key packages, newest first. A publication that has no
-- answer is repeated, when its packages may be there, or handed out already: what is among these is
-- not added again. As many as a device may have requests without an answer. A table of its own, as
-- devices are read with every roster; it goes with its device.
create table directory.publication (
  account_id uuid not null,
  device_id smallint not null,
  digests bytea[] not null,
  primary key (account_id, device_id),
  foreign key (account_id, device_id) references directory.device on delete cascade
);
grant select, insert, update on directory.publication to twotick_directory;
