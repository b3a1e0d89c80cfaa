-- Whether the search calibrates its prompts, said once when it begins: resumed it is the same search, whatever the model's
-- server says by then. Null: not said yet.
alter table experiments add column calibrated boolean;

update experiments
   set calibrated = true
 where exists (select from prompts where experiment_id = experiments.id and bias is not null);
