create table city (id text primary key, doc text not null, population integer not null);
insert into city values ('paris', '{"name":"Paris"}', 2102650), ('oslo', '{"name":"Oslo"}', 717710);
