-- No unique index on what changes with every message. While somebody holds a transaction open, every
-- version of a row stays, and a unique index compares each that goes to another page with all before
-- it: after 2,500 versions an update cost 25 times what it cost fresh. With a plain index it is what it
-- was. That a row is there once is what a key beside it says, which is written with it and never updated.
--
-- A row that is there already is not inserted, and nothing is said: as by `on conflict do nothing`.
--
-- Not on Citus: it distributes no table with triggers, and needs a primary key to move a shard.

create table mailbox.mailbox_key (
  account_id uuid primary key
);

create table mailbox.sender_key (
  account_id uuid not null,
  device_id smallint not null,
  primary key (account_id, device_id)
);

-- By the owner's rights: the store's role has none on the keys.
create function mailbox.keep_mailbox_key() returns trigger
  language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'DELETE' then
    delete from mailbox.mailbox_key where account_id = old.account_id;
    return old;
  end if;
  insert into mailbox.mailbox_key (account_id) values (new.account_id) on conflict do nothing;
  if not found then return null; end if;
  return new;
end
$$;

create function mailbox.keep_sender_key() returns trigger
  language plpgsql security definer set search_path = '' as $$
begin
  insert into mailbox.sender_key (account_id, device_id) values (new.account_id, new.device_id)
    on conflict do nothing;
  if not found then return null; end if;
  return new;
end
$$;

do $$
begin
  if exists (select from pg_extension where extname = 'citus') then return; end if;

  lock table mailbox.mailbox, mailbox.sender in access exclusive mode;
  insert into mailbox.mailbox_key (account_id) select account_id from mailbox.mailbox;
  insert into mailbox.sender_key (account_id, device_id)
    select account_id, device_id from mailbox.sender;

  alter table mailbox.mailbox drop constraint mailbox_pkey;
  create index mailbox_by_account on mailbox.mailbox (account_id);
  create trigger keep_key before insert or delete on mailbox.mailbox
    for each row execute function mailbox.keep_mailbox_key();

  alter table mailbox.sender drop constraint sender_pkey;
  create index sender_by_device on mailbox.sender (account_id, device_id);
  create trigger keep_key before insert on mailbox.sender
    for each row execute function mailbox.keep_sender_key();
end
$$;
