-- What a trial is worth is read from its own scores. A short-lived server has not gathered statistics, and a planner without
-- them began at the dataset: every question for every trial, and for the mean every score of every experiment. A split that
-- is looked up score by score leaves one way only, by the keys. The columns stay as they were.
create or replace view trial_overview as
select t.experiment_id, t.index, i.index as iteration, p.operator, parent.version as parent,
       p.id as prompt_id, p.system_prompt, p.output_prompt, p.demos, p.metadata,
       v.score as validation, v.low as validation_low, v.high as validation_high, coalesce(v.n, 0) as questions_seen,
       g.gain, g.n as gain_n,
       t.predicted, t.accepted, t.reason, t.calls, t.created_at
  from trials t
  join iterations i on i.id = t.iteration_id
  join prompts p on p.id = t.prompt_id
  left join prompts parent on parent.id = p.parent_id
  left join lateral (
       select score, n,
              greatest(0, (score + zz / 2 - sqrt(zz * (score * (1 - score) + zz / 4))) / (1 + zz)) as low,
              least(1, (score + zz / 2 + sqrt(zz * (score * (1 - score) + zz / 4))) / (1 + zz)) as high
         from (select avg(s.value) as score, count(*)::int as n, 1.959963984540054 ^ 2 / count(*) as zz
                 from scores s
                where s.prompt_id = p.id
                  and (select e.split from examples e where e.id = s.example_id) = 'validation'
               having count(*) > 0) as standing) as v on true
 cross join lateral (
       select avg(own.value - before.value) as gain, count(*)::int as n
         from scores own
         join scores before on before.prompt_id = p.parent_id and before.example_id = own.example_id
        where own.prompt_id = p.id
          and (select e.split from examples e where e.id = own.example_id) = 'validation') as g;
