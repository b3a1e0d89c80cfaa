-- Who runs an experiment: a name that each process draws for itself. It is written by a process that has the experiment's
-- advisory lock, and asked for with each call that is to be sent: a process that was taken for dead, and that another one
-- took the place of, sends nothing more. Null: nobody has it to himself.
alter table experiments add column holder uuid;
