-- Behind one name a server may have had two models. Scores of different weights cannot be compared: what is known of the primary
-- model's is part of the context. Where nothing is known it stays what it was.
create or replace function context_of(dataset_id uuid, config jsonb) returns text
  language sql stable parallel safe
  return (jsonb_build_array(dataset_id, config -> 'metric', config -> 'metric_options', config -> 'primary') ||
          case when config -> 'weights' ->> 'primary' is null then '[]'::jsonb
               else jsonb_build_array(config -> 'weights' -> 'primary') end)::text;
