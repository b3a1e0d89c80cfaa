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
       coalesce(b.calls, 0)::int as calls, coalesce(b.cost_usd, 0) as cost_usd
  from experiments x
  join datasets d on d.id = x.dataset_id
  left join comparisons c on c.experiment_id = x.id and x.status = 'finished'
  left join prompts before on before.id = c.before_id
  left join prompts after on after.id = c.after_id
  left join (select experiment_id, sum(calls) as calls, sum(cost_usd) as cost_usd from bill group by experiment_id) b
    on b.experiment_id = x.id;
