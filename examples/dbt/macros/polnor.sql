{# What dbt-polnor 0.1.0 leaves out or gets wrong. dbt finds these before the adapter's; docs/dbt.md says which does what. #}

{# dbt's default is %s, and the adapter's driver takes ?. #}
{% macro polnor__get_binding_char() %}
  {{ return('?') }}
{% endmacro %}

{% macro polnor__current_timestamp() %}
  current_timestamp()
{% endmacro %}

{# The adapter's own is SELECT 1. #}
{% macro polnor__create_schema(relation) %}
  {% call statement('create_schema') %}
    create schema if not exists {{ relation.without_identifier() }}
  {% endcall %}
{% endmacro %}

{# The adapter's own macros for these three return the SQL and do not run it. #}
{% macro polnor__rename_relation(from_relation, to_relation) %}
  {% call statement('rename_relation') %}
    {{ dbt.polnor__rename_relation(from_relation, to_relation) }}
  {% endcall %}
{% endmacro %}

{% macro polnor__drop_relation(relation) %}
  {% call statement('drop_relation', auto_begin=False) %}
    {{ dbt.polnor__drop_relation(relation) }}
  {% endcall %}
{% endmacro %}

{% macro polnor__truncate_relation(relation) %}
  {% call statement('truncate_relation') %}
    {{ dbt.polnor__truncate_relation(relation) }}
  {% endcall %}
{% endmacro %}

{# dbt's own adds each column with an ADD COLUMN of its own, all in one statement, which Spark SQL does not have. #}
{% macro polnor__alter_relation_add_remove_columns(relation, add_columns, remove_columns) %}
  {% if add_columns %}
    {% set added = [] %}
    {% for column in add_columns %}{% do added.append(column.name ~ ' ' ~ column.data_type) %}{% endfor %}
    {% do run_query('alter table ' ~ relation ~ ' add columns (' ~ added | join(', ') ~ ')') %}
  {% endif %}
  {% if remove_columns %}
    {% set removed = remove_columns | map(attribute='name') | join(', ') %}
    {% do run_query('alter table ' ~ relation ~ ' drop columns (' ~ removed ~ ')') %}
  {% endif %}
{% endmacro %}
