-- By answer, what a prompt adds to the log-probability of its first token, in nats; null: nothing. Prompts that differ in it
-- alone are different prompts. A digest of one without it stays what it was: `array || object` appends, `array || '[]'` does not.
alter table prompts add column bias jsonb check (jsonb_typeof(bias) = 'object');

-- As it was, with the bias behind.
create or replace view trial_overview as
select t.experiment_id, t.index, i.index as iteration, p.operator, parent.version as parent,
       p.id as prompt_id, p.system_prompt, p.output_prompt, p.demos, p.metadata,
       v.score as validation, v.low as validation_low, v.high as validation_high, coalesce(v.n, 0) as questions_seen,
       g.gain, g.n as gain_n,
       t.predicted, t.accepted, t.reason, t.calls, t.created_at, p.bias
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

create or replace view scored_prompts as
with known as materialized (
  select p.id, p.created_at, x.dataset_id, d.name as dataset, context_of(x.dataset_id, x.config) as context,
         dense_rank() over (order by context_of(x.dataset_id, x.config),
                                     md5((jsonb_build_array(p.system_prompt, p.output_prompt, p.demos) ||
                                          coalesce(p.bias, '[]'))::text)) as kind
    from prompts p
    join experiments x on x.id = p.experiment_id
    join datasets d on d.id = x.dataset_id),
seen as (
  select distinct on (k.kind, s.example_id) k.kind, k.id, k.created_at, s.value
    from scores s
    join examples e on e.id = s.example_id and e.split = 'validation'
    join known k on k.id = s.prompt_id
   order by k.kind, s.example_id, k.created_at, k.id),
scored as (
  select (array_agg(id order by created_at, id))[1] as prompt_id, avg(value) as score, count(*)::int as n
    from seen
   group by kind)
select s.prompt_id, k.context, k.dataset_id, k.dataset, s.score, s.n, k.created_at
  from scored s
  join known k on k.id = s.prompt_id;
