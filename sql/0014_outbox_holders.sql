-- Who tells of a run. A run of Prefect may be started again while its process still is: stopped, or cut off from Prefect, it
-- was taken for dead. Each process draws a name and takes its place in the run of those that were started before it, which
-- then write nothing more. Which of two was started later is not told by when they come here, as the older one may have been
-- stopped before it came, but by how often Prefect has had the run started. Null: nobody has taken it yet.
alter table outbox_runs add column holder uuid;
alter table outbox_runs add column attempt int;
alter table outbox_runs add check ((holder is null) = (attempt is null));
-- Who wrote a message: what a run was said to be by a process before is not said of it once another one has taken over.
alter table outbox add column holder uuid;
