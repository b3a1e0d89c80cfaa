-- A search by the grades of a model of which not one can be read, or by a model that says nothing, is not to be gone on with: what
-- it was told is kept, and it would end the same way.
alter table experiments
  drop constraint experiments_stop_reason_check,
  add constraint experiments_stop_reason_check
    check (stop_reason in ('target', 'patience', 'iterations', 'budget', 'interrupted', 'unreadable'));
