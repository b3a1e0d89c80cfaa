-- How a call failed, so that a run that goes on meets the same failure without sending the question again: 'passing' was
-- sent again, or would have been, had the run not ended; 'final' was given up; 'forgiven' counts no longer, as somebody
-- wanted it sent again. Null where it says nothing of this question: the run was ended, or every other question would have
-- failed as well. So it is for all that failed before this migration: those questions are sent again, as they were then.
alter table calls
  add column failure   text check (failure in ('passing', 'final', 'forgiven')),
  add column status    int,                              -- of HTTP, 0 without one
  add column retryable boolean,
  add check (failure is null or (state = 'failed' and status is not null and retryable is not null));

-- `given_up` questions, and what the last of them failed with.
create or replace view bill as
select experiment_id, role, model,
       count(*)::int as calls,
       (count(*) filter (where state = 'failed'))::int as failed,
       (count(*) filter (where state = 'sent'))::int as lost,
       coalesce(sum(prompt_tokens), 0)::bigint as prompt_tokens,
       coalesce(sum(case state when 'sent' then reserved_tokens else completion_tokens end), 0)::bigint as completion_tokens,
       coalesce(sum(coalesce(cost_usd, reserved_usd)), 0)::double precision as cost_usd,
       percentile_cont(0.5) within group (order by ms) as p50_ms,
       percentile_cont(0.95) within group (order by ms) as p95_ms,
       (count(*) filter (where failure = 'final'))::int as given_up,
       (array_agg(error order by ended_at desc) filter (where failure = 'final'))[1] as error
  from calls
 group by experiment_id, role, model;
