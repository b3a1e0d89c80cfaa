-- Where a resumed run came to another prompt than before, the features of the former one were kept, and which these are cannot
-- be told. What learns makes all anew.
delete from prompt_features;
