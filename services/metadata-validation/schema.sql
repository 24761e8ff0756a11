-- What the migrations add up to. Made by `npm run schema`; never edited.

CREATE SCHEMA directory;

CREATE TABLE directory.account (
    account_id uuid NOT NULL,
    handle text NOT NULL,
    state text NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    next_device_id integer DEFAULT 1 NOT NULL,
    devices_version bigint DEFAULT 1 NOT NULL,
    dormant boolean DEFAULT false NOT NULL,
    CONSTRAINT account_state_check CHECK ((state = ANY (ARRAY['creating'::text, 'active'::text, 'deleting'::text])))
)
WITH (fillfactor='80');

CREATE TABLE directory.block (
    account_id uuid NOT NULL,
    blocked_id uuid NOT NULL
);

CREATE TABLE directory.conversation (
    conversation_id uuid NOT NULL,
    made_by uuid NOT NULL,
    request_key bytea NOT NULL,
    roster_version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT conversation_request_key_check CHECK ((length(request_key) = 16))
)
WITH (fillfactor='80');

CREATE TABLE directory.device (
    account_id uuid NOT NULL,
    device_id smallint NOT NULL,
    public_key bytea NOT NULL,
    name text NOT NULL,
    is_primary boolean NOT NULL,
    intent text NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    seen_on date DEFAULT CURRENT_DATE NOT NULL,
    evicts smallint,
    CONSTRAINT device_device_id_check CHECK ((device_id > 0)),
    CONSTRAINT device_intent_check CHECK ((intent = ANY (ARRAY['adding'::text, 'active'::text, 'removing'::text]))),
    CONSTRAINT device_public_key_check CHECK ((length(public_key) = 32))
)
WITH (fillfactor='80');

CREATE TABLE directory.key_package (
    account_id uuid NOT NULL,
    device_id smallint NOT NULL,
    package_no bigint NOT NULL,
    package bytea NOT NULL
);

CREATE TABLE directory.member (
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL
);

CREATE TABLE directory.migration (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE directory.publication (
    account_id uuid NOT NULL,
    device_id smallint NOT NULL,
    digests bytea[] NOT NULL
);

CREATE TABLE directory.retired_key (
    digest bytea NOT NULL
);

ALTER TABLE ONLY directory.account
    ADD CONSTRAINT account_handle_key UNIQUE (handle);

ALTER TABLE ONLY directory.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY directory.block
    ADD CONSTRAINT block_pkey PRIMARY KEY (account_id, blocked_id);

ALTER TABLE ONLY directory.conversation
    ADD CONSTRAINT conversation_made_by_request_key_key UNIQUE (made_by, request_key);

ALTER TABLE ONLY directory.conversation
    ADD CONSTRAINT conversation_pkey PRIMARY KEY (conversation_id);

ALTER TABLE ONLY directory.device
    ADD CONSTRAINT device_pkey PRIMARY KEY (account_id, device_id);

ALTER TABLE ONLY directory.device
    ADD CONSTRAINT device_public_key_key UNIQUE (public_key);

ALTER TABLE ONLY directory.key_package
    ADD CONSTRAINT key_package_pkey PRIMARY KEY (account_id, device_id, package_no);

ALTER TABLE ONLY directory.member
    ADD CONSTRAINT member_pkey PRIMARY KEY (conversation_id, account_id);

ALTER TABLE ONLY directory.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (number);

ALTER TABLE ONLY directory.publication
    ADD CONSTRAINT publication_pkey PRIMARY KEY (account_id, device_id);

ALTER TABLE ONLY directory.retired_key
    ADD CONSTRAINT retired_key_pkey PRIMARY KEY (digest);

CREATE INDEX account_unfinished ON directory.account USING btree (since) WHERE (state <> 'active'::text);

CREATE UNIQUE INDEX device_primary ON directory.device USING btree (account_id) WHERE (is_primary AND (intent <> 'removing'::text));

CREATE INDEX device_seen ON directory.device USING btree (seen_on) WHERE (intent = 'active'::text);

CREATE INDEX device_unfinished ON directory.device USING btree (since) WHERE (intent <> 'active'::text);

CREATE INDEX member_account ON directory.member USING btree (account_id);

ALTER TABLE ONLY directory.block
    ADD CONSTRAINT block_account_id_fkey FOREIGN KEY (account_id) REFERENCES directory.account(account_id);

ALTER TABLE ONLY directory.device
    ADD CONSTRAINT device_account_id_fkey FOREIGN KEY (account_id) REFERENCES directory.account(account_id);

ALTER TABLE ONLY directory.key_package
    ADD CONSTRAINT key_package_account_id_device_id_fkey FOREIGN KEY (account_id, device_id) REFERENCES directory.device(account_id, device_id) ON DELETE CASCADE;

ALTER TABLE ONLY directory.member
    ADD CONSTRAINT member_account_id_fkey FOREIGN KEY (account_id) REFERENCES directory.account(account_id);

ALTER TABLE ONLY directory.member
    ADD CONSTRAINT member_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES directory.conversation(conversation_id) ON DELETE CASCADE;

ALTER TABLE ONLY directory.publication
    ADD CONSTRAINT publication_account_id_device_id_fkey FOREIGN KEY (account_id, device_id) REFERENCES directory.device(account_id, device_id) ON DELETE CASCADE;

GRANT USAGE ON SCHEMA directory TO twotick_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE directory.account TO twotick_directory;

GRANT SELECT,INSERT,DELETE ON TABLE directory.block TO twotick_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE directory.conversation TO twotick_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE directory.device TO twotick_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE directory.key_package TO twotick_directory;

GRANT SELECT,INSERT,DELETE ON TABLE directory.member TO twotick_directory;

GRANT SELECT ON TABLE directory.migration TO twotick_directory;

GRANT SELECT,INSERT,UPDATE ON TABLE directory.publication TO twotick_directory;

GRANT SELECT,INSERT ON TABLE directory.retired_key TO twotick_directory;
