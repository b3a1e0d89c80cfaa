-- A dataset is known by the hash of its examples and splits: a file read twice is one dataset.
create table datasets (
  id         uuid primary key default gen_random_uuid(),
  name       text not null check (name <> ''),
  sha256     text not null unique check (sha256 ~ '^[0-9a-f]{64}$'),
  card       jsonb not null default '{}' check (jsonb_typeof(card) = 'object'),
  created_at timestamptz not null default now()
);

-- The questions are kept with their experiments: a report and a resumed run need no file.
create table examples (
  id              uuid primary key default gen_random_uuid(),
  dataset_id      uuid not null references datasets on delete cascade,
  split           text not null check (split in ('train', 'validation', 'test')),
  position        int not null check (position >= 0),   -- order within the split
  key             text not null check (key <> ''),      -- the file's id
  question        text not null check (question <> ''),
  reference_texts text[] not null check (cardinality(reference_texts) > 0),
  unique (dataset_id, key),
  unique (dataset_id, split, position)
);
