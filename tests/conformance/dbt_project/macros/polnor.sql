{# What dbt-polnor 0.1.0 leaves out, and every project that uses it defines. Dispatch finds these before the adapter's. #}

{# The adapter leaves dbt's default, %s, for seeds, but its driver takes ?. #}
{% macro polnor__get_binding_char() %}
  {{ return('?') }}
{% endmacro %}

{# The adapter's own macros for these three say the SQL and never run it. #}
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
