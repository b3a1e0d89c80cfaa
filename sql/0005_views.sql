-- The read contract: reports, notebooks and the API read these views; the tables may change under them.

-- Where each prompt stands on each split, with the 95 % score interval (Wilson, 1927). Scores between 0 and 1 spread no
-- wider than zeros and ones of the same mean, so for them the interval is rather too wide than too narrow.
create view prompt_standing as
select prompt_id, split, score, n,
       greatest(0, (score + zz / 2 - sqrt(zz * (score * (1 - score) + zz / 4))) / (1 + zz)) as low,
       least(1, (score + zz / 2 + sqrt(zz * (score * (1 - score) + zz / 4))) / (1 + zz)) as high
  from (select s.prompt_id, e.split, avg(s.value) as score, count(*)::int as n,
               1.959963984540054 ^ 2 / count(*) as zz
          from scores s
          join examples e on e.id = s.example_id
         group by s.prompt_id, e.split) as standing;

-- `gain` is against the parent, on the validation questions that both answered.
create view trial_overview as
select t.experiment_id, t.index, i.index as iteration, p.operator, parent.version as parent,
       p.id as prompt_id, p.system_prompt, p.output_prompt, p.demos, p.metadata,
       v.score as validation, v.low as validation_low, v.high as validation_high, coalesce(v.n, 0) as questions_seen,
       g.gain, g.n as gain_n,
       t.predicted, t.accepted, t.reason, t.calls, t.created_at
  from trials t
  join iterations i on i.id = t.iteration_id
  join prompts p on p.id = t.prompt_id
  left join prompts parent on parent.id = p.parent_id
  left join prompt_standing v on v.prompt_id = p.id and v.split = 'validation'
 cross join lateral (
       select avg(own.value - before.value) as gain, count(*)::int as n
         from scores own
         join scores before on before.prompt_id = p.parent_id and before.example_id = own.example_id
         join examples e on e.id = own.example_id and e.split = 'validation'
        where own.prompt_id = p.id) as g;

-- The bill by role. A lost call ('sent', never ended) counts with all that was reserved for it.
create view bill as
select experiment_id, role, model,
       count(*)::int as calls,
       (count(*) filter (where state = 'failed'))::int as failed,
       (count(*) filter (where state = 'sent'))::int as lost,
       coalesce(sum(prompt_tokens), 0)::bigint as prompt_tokens,
       coalesce(sum(case state when 'sent' then reserved_tokens else completion_tokens end), 0)::bigint as completion_tokens,
       coalesce(sum(coalesce(cost_usd, reserved_usd)), 0)::double precision as cost_usd,
       percentile_cont(0.5) within group (order by ms) as p50_ms,
       percentile_cont(0.95) within group (order by ms) as p95_ms
  from calls
 group by experiment_id, role, model;

create view experiment_overview as
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
  left join comparisons c on c.experiment_id = x.id
  left join prompts before on before.id = c.before_id
  left join prompts after on after.id = c.after_id
  left join (select experiment_id, sum(calls) as calls, sum(cost_usd) as cost_usd from bill group by experiment_id) b
    on b.experiment_id = x.id;

-- Every answer under every prompt, with what was wanted.
create view answers as
select s.prompt_id, p.experiment_id, p.version, e.split, e.key as example, e.question, e.reference_texts,
       c.text as answer, s.value as score
  from scores s
  join prompts p on p.id = s.prompt_id
  join examples e on e.id = s.example_id
  join completions c on c.key = s.completion_key;
