-- What is to be told to a Prefect server, which may be away, slow or broken: kept here first, and sent by whoever comes by.
-- A run of a flow, as it is or will be known there.
create table outbox_runs (
  id           uuid primary key,
  server       text not null,                       -- its API, as PREFECT_API_URL has it
  registration jsonb not null,                      -- flow, name, parameters, tags
  flow_run_id  uuid,                                -- null until it is registered
  created_at   timestamptz not null default now()
);

-- The order of a run's messages is that of `position`: one process writes them. A message that arrived is deleted.
create table outbox (
  position   bigint generated always as identity primary key,
  id         uuid not null unique,                  -- its writer's, so that it can be written twice
  run_id     uuid not null references outbox_runs on delete cascade,
  message    jsonb not null,
  sent       boolean not null default false,        -- before it is sent: whether it arrived is then to be asked
  refused    text,                                  -- why it never will be delivered
  created_at timestamptz not null default now()
);
create index outbox_open on outbox (run_id, position) where refused is null;
