{# Incremental models with a unique key and snapshots need a temporary table. Iceberg has none: these are tables that are dropped afterwards. #}

{% macro polnor__create_table_as(temporary, relation, sql) %}
  create {% if temporary %}or replace {% endif %}table {{ relation }} using iceberg as
  {{ sql }}
{% endmacro %}

{# Without this dbt appends, and a unique key has no effect. #}
{% macro polnor__get_incremental_default_sql(arg_dict) %}
  {% if arg_dict['unique_key'] %}
    {{ return(get_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['unique_key'],
                            arg_dict['dest_columns'], arg_dict['incremental_predicates'])) }}
  {% endif %}
  {{ return(get_incremental_append_sql(arg_dict)) }}
{% endmacro %}

{# A post-hook of all models, in dbt_project.yml. #}
{% macro drop_temporary_table() %}
  {% if config.get('materialized') == 'incremental' %}
    drop table if exists {{ make_temp_relation(this) }}
  {% endif %}
{% endmacro %}

{% macro polnor__post_snapshot(staging_relation) %}
  {% do adapter.drop_relation(staging_relation) %}
{% endmacro %}

{# dbt warns when types of times differ, and the adapter cannot name the types that its driver answers. #}
{% macro check_time_data_types(sql) %}{% endmacro %}

{# dbt's own casts to VARCHAR, which needs a length. #}
{% macro polnor__snapshot_hash_arguments(args) %}
  md5({% for arg in args %}coalesce(cast({{ arg }} as string), ''){% if not loop.last %} || '|' || {% endif %}{% endfor %})
{% endmacro %}
