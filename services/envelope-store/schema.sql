-- What the migrations add up to. Made by `npm run schema`; never edited.

CREATE SCHEMA mailbox;

CREATE FUNCTION mailbox.keep_mailbox_key() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

CREATE FUNCTION mailbox.keep_sender_key() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into mailbox.sender_key (account_id, device_id) values (new.account_id, new.device_id)
    on conflict do nothing;
  if not found then return null; end if;
  return new;
end
$$;

CREATE TABLE mailbox.entry (
    account_id uuid NOT NULL,
    seq bigint NOT NULL,
    tag bigint NOT NULL,
    slots smallint NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT entry_slots_check CHECK (((slots >= 0) AND (slots <= 31)))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='50000', autovacuum_vacuum_cost_delay='0', vacuum_truncate=off);
ALTER TABLE ONLY mailbox.entry ALTER COLUMN sealed SET STORAGE EXTERNAL;

CREATE TABLE mailbox.epoch_counter (
    only_row boolean DEFAULT true NOT NULL,
    counter bigint NOT NULL,
    CONSTRAINT epoch_counter_only_row_check CHECK (only_row)
);

CREATE TABLE mailbox.mailbox (
    account_id uuid NOT NULL,
    head_seq bigint DEFAULT 0 NOT NULL,
    floor_seq bigint DEFAULT 0 NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    d1 smallint,
    a1 bigint,
    d2 smallint,
    a2 bigint,
    d3 smallint,
    a3 bigint,
    d4 smallint,
    a4 bigint,
    d5 smallint,
    a5 bigint,
    CONSTRAINT mailbox_check CHECK (((d1 IS NULL) = (a1 IS NULL))),
    CONSTRAINT mailbox_check1 CHECK (((d2 IS NULL) = (a2 IS NULL))),
    CONSTRAINT mailbox_check2 CHECK (((d3 IS NULL) = (a3 IS NULL))),
    CONSTRAINT mailbox_check3 CHECK (((d4 IS NULL) = (a4 IS NULL))),
    CONSTRAINT mailbox_check4 CHECK (((d5 IS NULL) = (a5 IS NULL))),
    CONSTRAINT mailbox_check5 CHECK ((head_seq >= GREATEST(a1, a2, a3, a4, a5, floor_seq)))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_cost_delay='0');

CREATE TABLE mailbox.mailbox_key (
    account_id uuid NOT NULL
);

CREATE TABLE mailbox.migration (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE mailbox.sender (
    account_id uuid NOT NULL,
    device_id smallint NOT NULL,
    session bigint DEFAULT 0 NOT NULL,
    sent_no bigint DEFAULT 0 NOT NULL,
    sent_tag bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_cost_delay='0');

CREATE TABLE mailbox.sender_key (
    account_id uuid NOT NULL,
    device_id smallint NOT NULL
);

ALTER TABLE ONLY mailbox.entry
    ADD CONSTRAINT entry_pkey PRIMARY KEY (account_id, seq);

ALTER TABLE ONLY mailbox.epoch_counter
    ADD CONSTRAINT epoch_counter_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY mailbox.mailbox_key
    ADD CONSTRAINT mailbox_key_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY mailbox.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (number);

ALTER TABLE ONLY mailbox.sender_key
    ADD CONSTRAINT sender_key_pkey PRIMARY KEY (account_id, device_id);

CREATE INDEX mailbox_by_account ON mailbox.mailbox USING btree (account_id);

CREATE INDEX sender_by_device ON mailbox.sender USING btree (account_id, device_id);

CREATE TRIGGER keep_key BEFORE INSERT OR DELETE ON mailbox.mailbox FOR EACH ROW EXECUTE FUNCTION mailbox.keep_mailbox_key();

CREATE TRIGGER keep_key BEFORE INSERT ON mailbox.sender FOR EACH ROW EXECUTE FUNCTION mailbox.keep_sender_key();

GRANT USAGE ON SCHEMA mailbox TO twotick_store;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE mailbox.entry TO twotick_store;

GRANT SELECT ON TABLE mailbox.epoch_counter TO twotick_store;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE mailbox.mailbox TO twotick_store;

GRANT SELECT ON TABLE mailbox.migration TO twotick_store;

GRANT SELECT,INSERT,UPDATE ON TABLE mailbox.sender TO twotick_store;
