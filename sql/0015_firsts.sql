-- Tokens that an answer might have begun with, and their log-probabilities, where the provider told them: how sure an answer
-- is tells more of a prompt than whether it is right. Null: nobody asked, or nothing was told.
alter table completions add column firsts jsonb;
