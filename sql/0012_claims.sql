-- Several workers on one database may want the same completion at the same moment: one pays, the others wait for it. Who
-- may pay is who wrote the first intent, and until when: a claim lasts 30 s, is renewed while the call is in flight, and
-- lapses when its process died. Null: nobody waits for this call, as it failed, or another one took its claim, or it is
-- older than claims are. An answered call keeps its claim for good, so that an intent which was under way when it was
-- answered finds it, too.
alter table calls add column claimed_until timestamptz;
create unique index calls_claim on calls (key) where claimed_until is not null;
-- A call is written twice, as sent and as ended. With room for both on a page the second time costs no entry in an index.
alter table calls set (fillfactor = 50);
