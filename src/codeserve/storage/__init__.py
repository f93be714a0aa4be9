"""What is kept: tables, their encryption, migrations, retention. SQLite and PostgreSQL through one way."""
