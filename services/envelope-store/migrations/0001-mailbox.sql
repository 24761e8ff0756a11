-- Mailboxes, their entries, cursors and senders. Run by the database's owner after
-- deploy/postgres/roles.sql, which makes the schema, the role and its default privileges.
--
-- Everything is keyed by the recipient's account, so that the tables distribute by account_id on
-- Citus: no foreign key, unique key or sequence across accounts, no trigger.

-- One row for each account: the mailbox's lock, and its devices' cursors. dN is the device that
-- holds slot N, aN its acked_seq; both null: the slot is free. No column but the key is indexed and
-- half of each page is left free, so that updates stay HOT (98 % of them with 20,000 busy pairs; 17 %
-- at fillfactor 100).
create table mailbox.mailbox (
  account_id uuid primary key,
  head_seq bigint not null default 0,
  floor_seq bigint not null default 0,
  bytes bigint not null default 0,
  d1 smallint, a1 bigint,
  d2 smallint, a2 bigint,
  d3 smallint, a3 bigint,
  d4 smallint, a4 bigint,
  d5 smallint, a5 bigint,
  check ((d1 is null) = (a1 is null)),
  check ((d2 is null) = (a2 is null)),
  check ((d3 is null) = (a3 is null)),
  check ((d4 is null) = (a4 is null)),
  check ((d5 is null) = (a5 is null)),
  check (head_seq >= greatest(a1, a2, a3, a4, a5, floor_seq))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- One row for each device that ever had a cursor. It outlives the cursor and the mailbox: it is
-- what a late repetition of CreateMailbox or AddDevice finds.
create table mailbox.sender (
  account_id uuid not null,
  device_id smallint not null,
  session bigint not null default 0,
  sent_no bigint not null default 0,
  sent_tag bigint not null default 0,
  primary key (account_id, device_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- One envelope or notice in one mailbox. `slots` has bit N-1 set for each slot N that it is for;
-- 0 for what owes no tick. A notice expires at infinity. What is sealed is random bytes: not
-- compressed, and out of the way of scans that do not need it.
create table mailbox.entry (
  account_id uuid not null,
  seq bigint not null,
  tag bigint not null,
  slots smallint not null check (slots between 0 and 31),
  expires_at timestamptz not null,
  sealed bytea not null,
  primary key (account_id, seq)
) with (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 50000,
  autovacuum_vacuum_cost_delay = 0,
  vacuum_truncate = off
);
alter table mailbox.entry alter column sealed set storage external;

-- Part of the epoch. A restore of a backup raises it (docs/operations.md), and only that.
create table mailbox.epoch_counter (
  only_row boolean primary key default true check (only_row),
  counter bigint not null
);
insert into mailbox.epoch_counter (counter) values (0);
revoke insert, update, delete on mailbox.epoch_counter from twotick_store;
