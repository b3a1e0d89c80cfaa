-- Of an answer's first tokens only the very first was kept, with which else there might have been. They are a list now, each with
-- what was said: of the one that is known, the likeliest.
update completions
   set firsts = case
         when firsts <> '{}' then jsonb_build_array(jsonb_build_object(
           'said', (select key from jsonb_each(firsts) order by value::float8 desc limit 1),
           'likely', firsts))
       end
 where firsts is not null;
