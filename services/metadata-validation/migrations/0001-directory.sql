-- The directory: who there is, with which devices, in which conversations.
--
-- Lock order of every transaction that writes: account rows in id order, then conversation rows in
-- id order. An account's row is the lock of its devices, its blocks and its memberships.

create table directory.account (
  account_id uuid primary key,
  handle text not null unique,
  -- creating: its mailbox is not made yet. deleting: its mailbox is not gone yet. Only what is
  -- active exists for others.
  state text not null check (state in ('creating', 'active', 'deleting')),
  since timestamptz not null default now(), -- when it came into that state
  next_device_id integer not null default 1, -- a device id is never used twice
  -- Grows with each change of the active devices; part of every roster version.
  devices_version bigint not null default 1,
  -- No device was seen for 30 days: no recipient in groups until one is. A column, not a look at the
  -- calendar, so that a roster never changes without its version.
  dormant boolean not null default false
) with (fillfactor = 80);

create index account_unfinished on directory.account (since) where state <> 'active';

create table directory.device (
  account_id uuid not null references directory.account,
  device_id smallint not null check (device_id > 0),
  public_key bytea not null unique check (length(public_key) = 32),
  name text not null,
  is_primary boolean not null,
  -- adding: it has no cursor yet. removing: it may still have one. Only what is active is listed.
  intent text not null check (intent in ('adding', 'active', 'removing')),
  since timestamptz not null default now(), -- when it came to that intent
  seen_on date not null default current_date,
  evicts smallint, -- while adding: the device that must give up its slot first
  primary key (account_id, device_id)
) with (fillfactor = 80);

create index device_unfinished on directory.device (since) where intent <> 'active';
create index device_seen on directory.device (seen_on) where intent = 'active';
create unique index device_primary on directory.device (account_id)
  where is_primary and intent <> 'removing';

create table directory.conversation (
  conversation_id uuid primary key,
  made_by uuid not null,
  request_key bytea not null check (length(request_key) = 16),
  -- Grows with each change of members, and of a member's active devices or dormancy.
  roster_version bigint not null default 1,
  unique (made_by, request_key)
) with (fillfactor = 80);

create table directory.member (
  conversation_id uuid not null references directory.conversation on delete cascade,
  account_id uuid not null references directory.account,
  primary key (conversation_id, account_id)
);

create index member_account on directory.member (account_id);

-- `blocked_id` is no reference: one may block an id without learning whether it exists.
create table directory.block (
  account_id uuid not null references directory.account,
  blocked_id uuid not null,
  primary key (account_id, blocked_id)
);

create table directory.key_package (
  account_id uuid not null,
  device_id smallint not null,
  package_no bigint not null, -- oldest first
  package bytea not null,
  primary key (account_id, device_id, package_no),
  foreign key (account_id, device_id) references directory.device on delete cascade
);
