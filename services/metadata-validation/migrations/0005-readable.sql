-- The service reads what has been applied: it takes no work before all that it needs is there.
grant select on directory.migration to twotick_directory;
