-- What envelope-store may do, table by table. A sender row outlives its mailbox; the epoch's counter is
-- raised by whoever restores a backup; migrations are their owner's.
revoke all on all tables in schema mailbox from twotick_store;
grant select, insert, update, delete on mailbox.mailbox, mailbox.entry to twotick_store;
grant select, insert, update on mailbox.sender to twotick_store;
grant select on mailbox.epoch_counter to twotick_store;
