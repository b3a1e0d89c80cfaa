-- The bill of an experiment is read from its own calls. Read from `bill`, as before, one line of a list was all calls of all
-- experiments, grouped, sorted and ranked for percentiles: 1.2 s of a million calls, for each look at a sweep. The rows stay
-- as they were, but for claims.
--
-- A claim is of the run that made it. While a finished experiment goes on with larger caps, and where that is cut off, its best
-- prompt may be one that was never tested: the old claim is kept, but shown only when it is the finished run's again.
create or replace view experiment_overview as
select x.id, x.kind, x.status, x.stop_reason, x.error, d.name as dataset, d.id as dataset_id,
       d.sha256 as dataset_sha256,
       (select jsonb_object_agg(split, n)
          from (select e.split, count(*) as n from examples e where e.dataset_id = d.id group by e.split) as sizes) as splits,
       x.seed, x.config, x.started_at, x.ended_at, x.seconds, x.cached,
       (select count(*)::int from trials t where t.experiment_id = x.id) as trials,
       before.version as before, after.version as after,
       c.mean as improvement, c.ci_low, c.ci_high, c.p_value, c.significant, c.test, c.n as test_n,
       b.calls, b.cost_usd
  from experiments x
  join datasets d on d.id = x.dataset_id
  left join comparisons c on c.experiment_id = x.id and x.status = 'finished'
  left join prompts before on before.id = c.before_id
  left join prompts after on after.id = c.after_id
 cross join lateral (
       select count(*)::int as calls, coalesce(sum(coalesce(cost_usd, reserved_usd)), 0)::double precision as cost_usd
         from calls
        where calls.experiment_id = x.id) as b;

-- What goes with a prompt or an iteration is looked for by PostgreSQL, once for each that is deleted, and edits by what came of
-- them whenever a trial is kept: without an index each time was a walk through what all experiments have. Deleting ten prompts
-- took a second beside 57,000 others and 250,000 edits.
create index rl_actions_result on rl_actions (result_id);
create index prompts_parent on prompts (parent_id);
create index iterations_incumbent on iterations (incumbent_id);
create index trials_iteration on trials (iteration_id);
create index metrics_records_prompt on metrics_records (prompt_id);
create index comparisons_before on comparisons (before_id);
create index comparisons_after on comparisons (after_id);
