-- Tokens that an answer might have begun with, and their log-probabilities, where they were asked for and told: by them a prompt
-- is calibrated (lib/optimize/calibration.ts). Null: nobody asked, or nothing was told.
alter table completions add column firsts jsonb;
