find_package(PostgreSQL QUIET)
set(tsingest_postgres_needs PostgreSQL::PostgreSQL)
set(tsingest_postgres_packages "libpq-dev")
