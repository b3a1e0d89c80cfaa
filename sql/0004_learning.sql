-- A prompt as numbers: named columns in a fixed order. Another version of the features is another row.
create table prompt_features (
  prompt_id  uuid not null references prompts on delete cascade,
  version    int not null check (version > 0),
  names      text[] not null,
  "values"   double precision[] not null,
  created_at timestamptz not null default now(),
  primary key (prompt_id, version),
  check (cardinality(names) = cardinality("values"))
);

-- Each training of the meta-model, with what it must beat: the root mean square error of predicting the mean.
create table meta_models (
  id               uuid primary key default gen_random_uuid(),
  feature_version  int not null check (feature_version > 0),
  feature_names    text[] not null,
  parameters       jsonb not null,
  trained_from     timestamptz not null,                    -- data window
  trained_to       timestamptz not null,
  prompts          int not null check (prompts >= 5),
  rmse             double precision not null check (rmse >= 0),
  mean_rmse        double precision not null check (mean_rmse >= 0),
  r2               double precision not null check (r2 <= 1),
  rank_correlation double precision check (rank_correlation between -1 and 1),
  best_iteration   int not null check (best_iteration >= 0),
  importance       jsonb not null,
  model            text not null,                           -- LightGBM's own text format
  model_sha256     text not null check (model_sha256 ~ '^[0-9a-f]{64}$'),
  created_at       timestamptz not null default now(),
  check (trained_from <= trained_to)
);

create table rl_models (
  id            uuid primary key default gen_random_uuid(),
  algorithm     text not null check (algorithm in ('ppo', 'dqn')),
  parameters    jsonb not null,
  timesteps     bigint not null check (timesteps > 0),
  mean_return   double precision not null,
  meta_model_id uuid references meta_models,                -- what rewarded it; null: the heuristic
  onnx          bytea not null,
  onnx_sha256   text not null check (onnx_sha256 ~ '^[0-9a-f]{64}$'),
  created_at    timestamptz not null default now()
);

-- Every edit the policy suggested, the prompt it led to and, once measured, what it was worth.
create table rl_actions (
  id               uuid primary key default gen_random_uuid(),
  rl_model_id      uuid not null references rl_models on delete cascade,
  prompt_id        uuid not null references prompts on delete cascade,   -- edited
  result_id        uuid references prompts on delete cascade,            -- what came of it, once proposed
  step             int not null check (step >= 0),
  action           text not null check (action <> ''),
  predicted_reward double precision not null,
  measured_reward  double precision,
  created_at       timestamptz not null default now()
);
create index rl_actions_prompt on rl_actions (prompt_id);
