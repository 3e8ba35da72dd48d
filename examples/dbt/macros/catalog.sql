{# `dbt docs generate` asks for this, and dbt-polnor 0.1.0 has none: what the catalog API knows, as one query's result. #}
{% macro polnor__get_catalog(information_schema, schemas) %}
  {% set rows = [] %}
  {% for schema in schemas %}
    {% set where = api.Relation.create(database=information_schema.database, schema=schema) %}
    {% for relation in adapter.list_relations_without_caching(where) %}
      {% for column in adapter.get_columns_in_relation(relation) %}
        {% do rows.append("('" ~ relation.database ~ "', '" ~ relation.schema ~ "', '" ~ relation.identifier
                          ~ "', '" ~ relation.type ~ "', '" ~ column.name ~ "', " ~ loop.index ~ ", '" ~ column.dtype ~ "')") %}
      {% endfor %}
    {% endfor %}
  {% endfor %}
  {% set query %}
    select
        table_database, table_schema, table_name, table_type, cast(null as string) as table_comment,
        cast(null as string) as table_owner, column_name, column_index, column_type, cast(null as string) as column_comment
    from (values {{ rows | join(', ') }})
        as found (table_database, table_schema, table_name, table_type, column_name, column_index, column_type)
  {% endset %}
  {{ return(run_query(query)) }}
{% endmacro %}
