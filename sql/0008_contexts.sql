-- Scores can be compared where questions, metric and primary model are the same: that is a context. What learns from scores
-- learns how far a prompt is above or below the mean of its context.
create function context_of(dataset_id uuid, config jsonb) returns text
  language sql stable parallel safe
  return jsonb_build_array(dataset_id, config -> 'metric', config -> 'metric_options', config -> 'primary')::text;

-- A prompt in a context with its mean validation score, each question counted once, however many experiments had the same
-- prompt: `prompt_id` is the first of them. Scores on the locked test split teach nobody.
create view scored_prompts as
select (array_agg(prompt_id order by created_at, prompt_id))[1] as prompt_id, context,
       (array_agg(dataset_id))[1] as dataset_id, (array_agg(dataset))[1] as dataset,
       avg(value) as score, count(*)::int as n, min(created_at) as created_at
  from (select distinct on (context_of(x.dataset_id, x.config), c.content, s.example_id)
               context_of(x.dataset_id, x.config) as context, c.content, p.id as prompt_id, p.created_at,
               x.dataset_id, d.name as dataset, s.value
          from scores s
          join examples e on e.id = s.example_id and e.split = 'validation'
          join prompts p on p.id = s.prompt_id
          join experiments x on x.id = p.experiment_id
          join datasets d on d.id = x.dataset_id
         cross join lateral (
               select md5(jsonb_build_array(p.system_prompt, p.output_prompt, p.demos)::text) as content) as c
         order by context_of(x.dataset_id, x.config), c.content, s.example_id, p.created_at, p.id) as seen
 group by context, content;

-- What a meta-model is worth is measured where it is used: on the held-out prompts (rmse, mean_rmse), over folds
-- (`cross_validation`), in each context by itself (`contexts`), and on contexts that it has not seen (`transfer`; null: there
-- were too few to know).
alter table meta_models
  add column cross_validation jsonb not null default '{}' check (jsonb_typeof(cross_validation) = 'object'),
  add column contexts         jsonb not null default '[]' check (jsonb_typeof(contexts) = 'array'),
  add column transfer         jsonb check (jsonb_typeof(transfer) = 'object'),
  add column seconds          double precision not null default 0 check (seconds >= 0);

-- A policy is used where it does better than chance in the same environment.
alter table rl_models
  add column feature_version int not null default 1 check (feature_version > 0),
  add column random_return   double precision not null default 0,
  add column history         jsonb not null default '[]' check (jsonb_typeof(history) = 'array'),  -- a row per update
  add column best_prompts    jsonb not null default '[]' check (jsonb_typeof(best_prompts) = 'array'),
  add column seconds         double precision not null default 0 check (seconds >= 0);
