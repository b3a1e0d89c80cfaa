-- Answers that were paid for, by the hash of all that changes them. Shared by all experiments, never updated.
create table completions (
  key               text primary key check (key ~ '^[0-9a-f]{64}$'),
  model             text not null,
  identity          jsonb not null,                       -- provider, model, digest, endpoint
  request           jsonb not null,                       -- messages and sampling parameters
  text              text not null,
  finish            text not null check (finish in ('stop', 'length', 'filter', 'other')),
  prompt_tokens     int check (prompt_tokens >= 0),       -- null: the provider did not say
  completion_tokens int check (completion_tokens >= 0),
  created_at        timestamptz not null default now()
);

-- One row for each request on the wire, written before it is sent. A row that stays 'sent' is a call whose answer was
-- lost: it may have been billed, and counts with all that was reserved for it.
create table calls (
  id                uuid primary key,
  experiment_id     uuid not null references experiments on delete cascade,
  role              text not null check (role in ('primary', 'optimizer', 'evaluator', 'grader')),
  model             text not null,
  key               text not null check (key ~ '^[0-9a-f]{64}$'),
  attempt           int not null check (attempt >= 1),
  state             text not null default 'sent' check (state in ('sent', 'answered', 'failed')),
  reserved_tokens   bigint not null check (reserved_tokens >= 0),
  reserved_usd      numeric not null check (reserved_usd >= 0),
  completion_key    text references completions,
  prompt_tokens     bigint check (prompt_tokens >= 0),    -- as billed, or as reserved when nobody said
  completion_tokens bigint check (completion_tokens >= 0),
  cost_usd          numeric check (cost_usd >= 0),
  ms                double precision check (ms >= 0),
  error             text,
  sent_at           timestamptz not null default now(),
  ended_at          timestamptz,
  check ((state = 'sent') = (ended_at is null)),
  check ((state = 'sent') = (cost_usd is null)),
  check ((state = 'answered') = (completion_key is not null)),
  check ((state = 'failed') = (error is not null))
);
create index calls_experiment on calls (experiment_id, role);

-- Candidate x question: what one answer under one prompt was worth.
create table scores (
  prompt_id      uuid not null references prompts on delete cascade,
  example_id     uuid not null references examples,
  completion_key text not null references completions,
  value          double precision not null check (value between 0 and 1),
  primary key (prompt_id, example_id)
);

-- One prompt on one split by one metric; the signature says which numbers can be compared.
create table metrics_records (
  id            uuid primary key default gen_random_uuid(),
  experiment_id uuid not null references experiments on delete cascade,
  prompt_id     uuid not null references prompts on delete cascade,
  split         text not null check (split in ('train', 'validation', 'test')),
  metric        text not null,
  signature     text not null,
  value         double precision not null check (value between 0 and 1),
  n             int not null check (n > 0),
  ci_low        double precision,
  ci_high       double precision,
  created_at    timestamptz not null default now(),
  unique (experiment_id, prompt_id, split, metric),
  check (ci_low <= ci_high)
);

-- A claim: the final prompt against the seed prompt on the locked test split, question by question, once.
create table comparisons (
  id            uuid primary key default gen_random_uuid(),
  experiment_id uuid not null unique references experiments on delete cascade,
  before_id     uuid not null references prompts on delete cascade,
  after_id      uuid not null references prompts on delete cascade,
  mean          double precision not null check (mean between -1 and 1),
  ci_low        double precision not null,
  ci_high       double precision not null check (ci_low <= ci_high),
  p_value       double precision not null check (p_value between 0 and 1),
  significant   boolean not null,
  test          text not null,
  n             int not null check (n >= 0),
  created_at    timestamptz not null default now()
);
