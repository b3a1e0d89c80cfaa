-- Many experiments that any number of workers take, and what all of them together may spend. Null is no limit. `calls`,
-- `tokens` and `usd` are never less than was reserved and spent, so that a call which fits below them fits. They may be more,
-- as what comes back is not subtracted: when something does not fit, they are counted anew from the calls.
create table sweeps (
  id         uuid primary key,
  config     jsonb not null check (jsonb_typeof(config) = 'object'),     -- the options it was begun with
  max_calls  bigint check (max_calls >= 0),
  max_tokens bigint check (max_tokens >= 0),
  max_usd    numeric check (max_usd >= 0),
  calls      bigint not null default 0,
  tokens     bigint not null default 0,
  usd        numeric not null default 0,
  created_at timestamptz not null default now()
);
create index sweeps_created_at on sweeps (created_at desc);

-- `experiment_id` is chosen here, so that whoever takes an experiment over goes on with the same one; its row in experiments
-- is written when it begins. `capped` ended as the sweep had nothing left to spend; more to spend sets it waiting again.
create table sweep_experiments (
  sweep_id      uuid not null references sweeps on delete cascade,
  position      int not null check (position >= 0),
  experiment_id uuid not null unique,
  dataset       text not null,                             -- as it was named
  dataset_id    uuid not null references datasets,
  seed          bigint not null,
  config        jsonb not null check (jsonb_typeof(config) = 'object'),
  status        text not null default 'waiting' check (status in ('waiting', 'finished', 'capped', 'failed')),
  failures      int not null default 0 check (failures >= 0),
  error         text,                                      -- of the last failure
  exit_code     int,                                       -- that stands for it
  capped        boolean not null default false,            -- a call was refused for want of budget
  taken_at      timestamptz,                               -- by a worker, which holds the experiment from then on
  ended_at      timestamptz,
  primary key (sweep_id, position),
  check ((status = 'waiting') = (ended_at is null)),
  check (status <> 'failed' or (error is not null and exit_code is not null))
);
