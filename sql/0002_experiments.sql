-- One run of a flow that asks models. `config` and `seed` are all it depends on beside dataset and completions, so that
-- running it again from the start is how it is resumed.
create table experiments (
  id           uuid primary key default gen_random_uuid(),
  kind         text not null check (kind in ('optimize', 'evaluate')),
  dataset_id   uuid not null references datasets,
  seed         bigint not null,
  config       jsonb not null check (jsonb_typeof(config) = 'object'),
  status       text not null default 'running' check (status in ('running', 'finished', 'interrupted', 'failed')),
  stop_reason  text check (stop_reason in ('target', 'patience', 'iterations', 'budget', 'interrupted')),
  error        text,
  seconds      double precision not null default 0 check (seconds >= 0),  -- of running, over all resumptions
  cached       int not null default 0 check (cached >= 0),                 -- answers that other experiments had paid for
  started_at   timestamptz not null default now(),
  heartbeat_at timestamptz not null default now(),
  ended_at     timestamptz,
  check ((status = 'running') = (ended_at is null)),
  check ((status = 'failed') = (error is not null)),
  check (kind <> 'optimize' or status <> 'finished' or stop_reason is not null)
);
create index experiments_started_at on experiments (started_at desc);

-- Every prompt that was ever proposed, refused ones too: version 0 is the seed, each other one has a parent.
create table prompts (
  id            uuid primary key default gen_random_uuid(),
  experiment_id uuid not null references experiments on delete cascade,
  version       int not null check (version >= 0),
  parent_id     uuid references prompts,
  operator      text not null check (operator <> ''),
  system_prompt text not null,
  output_prompt text not null,
  demos         jsonb not null check (jsonb_typeof(demos) = 'array'),
  metadata      jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),  -- all parents, what was done
  created_at    timestamptz not null default now(),
  unique (experiment_id, version),
  check ((version = 0) = (parent_id is null))
);

create table iterations (
  id            uuid primary key default gen_random_uuid(),
  experiment_id uuid not null references experiments on delete cascade,
  index         int not null check (index >= 0),          -- 0 holds the seed prompt alone
  incumbent_id  uuid not null references prompts,         -- the best prompt when the iteration had ended
  created_at    timestamptz not null default now(),
  unique (experiment_id, index)
);

-- What became of a proposed prompt. Its scores are not repeated here: see the view trial_overview.
create table trials (
  id            uuid primary key default gen_random_uuid(),
  experiment_id uuid not null references experiments on delete cascade,
  iteration_id  uuid not null references iterations on delete cascade,
  index         int not null check (index >= 0),
  prompt_id     uuid not null unique references prompts on delete cascade,
  predicted     double precision,                          -- by the surrogate, where there was one
  accepted      boolean not null,
  reason        text not null check (reason <> ''),
  calls         int not null check (calls >= 0),           -- answers asked for when it was decided
  created_at    timestamptz not null default now(),
  unique (experiment_id, index)
);
