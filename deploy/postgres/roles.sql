-- Roles and schemas, for the database that it runs in. Run by its owner, before the migrations, and
-- harmless to run again. One role a service that owns tables, and no service reads another's:
--
--   twotick_store      envelope-store        schema mailbox
--   twotick_directory  metadata-validation   schema directory
--
-- The roles read and write rows; they own nothing and create nothing. gateway, delivery-fanout and
-- expiry have no role: they never meet Postgres. Roles are made without a password: give them one, or a
-- certificate (pg_hba.conf), where Postgres asks for it.

do $$
begin
  if not exists (select from pg_roles where rolname = 'twotick_store') then
    create role twotick_store login nosuperuser nocreatedb nocreaterole noinherit;
  end if;
  if not exists (select from pg_roles where rolname = 'twotick_directory') then
    create role twotick_directory login nosuperuser nocreatedb nocreaterole noinherit;
  end if;
exception
  -- Another database of the same cluster is being prepared at this moment.
  when duplicate_object or unique_violation then null;
end
$$;

create schema if not exists mailbox;
create schema if not exists directory;

revoke create on schema public from public;

grant usage on schema mailbox to twotick_store;
grant usage on schema directory to twotick_directory;

-- What they may do with a table is granted by the migration that makes it.
alter default privileges in schema mailbox revoke all on tables from twotick_store;
alter default privileges in schema directory revoke all on tables from twotick_directory;
