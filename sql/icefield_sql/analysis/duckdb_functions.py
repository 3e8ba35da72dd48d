"""`dialect: duckdb`: a read in DuckDB's own SQL, with an allow-list of DuckDB's own functions."""

from __future__ import annotations

from sqlglot import exp

NUMBERS = """
    abs acos acosh add asin asinh atan atan2 atanh bin bit_count cbrt ceil ceiling cos cosh cot degrees divide
    even exp factorial fdiv floor fmod gamma gcd greatest greatest_common_divisor isfinite isinf isnan lcm least
    least_common_multiple lgamma ln log log10 log2 mod multiply nextafter pi pow power radians random round
    round_even roundbankers sign signbit sin sinh sqrt subtract tan tanh trunc xor hash uuid gen_random_uuid if
    ifnull nullif coalesce error typeof constant_or_null
"""
STRINGS = """
    array_extract ascii bar bit_length char_length character_length chr concat concat_ws contains ends_with
    format formatreadabledecimalsize formatreadablesize from_base64 from_hex from_binary hamming hex instr
    jaccard jaro_similarity jaro_winkler_similarity lcase left left_grapheme len length length_grapheme
    levenshtein editdist3 like_escape ilike_escape not_like_escape lower lpad ltrim md5 mismatches nfc_normalize
    octet_length ord parse_dirname position prefix printf regexp_escape regexp_extract regexp_extract_all
    regexp_full_match regexp_matches regexp_replace regexp_split_to_array repeat replace reverse right
    right_grapheme rpad rtrim sha1 sha256 split split_part starts_with str_split str_split_regex string_split
    string_split_regex string_to_array strip_accents strlen strpos substr substring substring_grapheme suffix
    to_base64 to_hex translate trim ucase unbin unhex unicode upper url_decode url_encode bit_position decode
    encode damerau_levenshtein
"""
TIMES = """
    age century current_date current_timestamp date_add date_diff date_part date_sub date_trunc datediff
    datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear decade epoch epoch_ms epoch_ns
    epoch_us era extract greatest hour isodow isoyear julian last_day least make_date make_time make_timestamp
    make_timestamptz microsecond millennium millisecond minute month monthname now quarter second strftime
    strptime time_bucket timezone to_centuries to_days to_decades to_hours to_microseconds to_milliseconds
    to_minutes to_months to_quarters to_seconds to_timestamp to_weeks to_years today try_strptime week weekday
    weekofyear year yearweek get_current_timestamp transaction_timestamp
"""
NESTED = """
    aggregate apply array_aggregate array_append array_apply array_cat array_concat array_contains
    array_distinct array_filter array_has array_has_all array_has_any array_indexof array_intersect array_length
    array_position array_prepend array_reduce array_resize array_reverse_sort array_select array_slice
    array_sort array_to_string array_transform array_unique array_value array_where array_zip cardinality
    element_at filter flatten generate_series generate_subscripts grade_up list_aggr list_aggregate
    list_any_value list_append list_apply list_avg list_cat list_concat list_contains list_count list_distinct
    list_element list_extract list_filter list_first list_has list_has_all list_has_any list_indexof
    list_intersect list_last list_max list_median list_min list_pack list_position list_prepend list_product
    list_reduce list_resize list_reverse list_reverse_sort list_select list_slice list_sort list_string_agg
    list_sum list_transform list_unique list_value list_where list_zip map map_concat map_contains map_entries
    map_extract map_extract_value map_from_entries map_keys map_values range reduce row struct_extract
    struct_insert struct_pack unnest unpivot_list array_cosine_similarity array_distance array_inner_product
    list_cosine_similarity list_distance list_inner_product
"""
JSON = """
    json json_array json_array_length json_contains json_extract json_extract_path json_extract_path_text
    json_extract_string json_group_array json_group_object json_group_structure json_keys json_merge_patch
    json_object json_pretty json_quote json_serialize_plan json_structure json_transform json_type json_valid
    json_value from_json from_json_strict row_to_json array_to_json to_json
"""
AGGREGATES = """
    any_value approx_count_distinct approx_quantile arbitrary arg_max arg_max_null arg_min arg_min_null argmax
    argmin array_agg avg bit_and bit_or bit_xor bitstring_agg bool_and bool_or corr count count_if count_star
    countif covar_pop covar_samp entropy favg first fsum geomean geometric_mean group_concat grouping
    grouping_id histogram kahan_sum kurtosis kurtosis_pop last list listagg mad max max_by mean median min
    min_by mode percentile_cont percentile_disc product quantile quantile_cont quantile_disc regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile sem skewness
    stddev stddev_pop stddev_samp string_agg sum sumkahan sum_no_overflow var_pop var_samp variance cume_dist
    dense_rank first_value lag last_value lead nth_value ntile percent_rank rank rank_dense row_number
"""
_LEFT_OUT = frozenset({"json_serialize_plan", "parse_dirname", "repeat_row"})
ALLOWED = frozenset(f"{NUMBERS} {STRINGS} {TIMES} {NESTED} {JSON} {AGGREGATES}".split()) - _LEFT_OUT
"""DuckDB's functions that look at nothing but their arguments."""

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})

NODES = frozenset(
    {
        exp.Unnest, exp.Array, exp.Struct, exp.Map, exp.ToMap, exp.Columns, exp.AtTimeZone, exp.SimilarTo, exp.Pow,
        exp.PropertyEQ, exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.Glob, exp.ArrayContainsAll,
        exp.ArrayContainedBy,
        exp.JSONExtract, exp.JSONExtractScalar, exp.JSONPath, exp.JSONPathKey, exp.JSONPathRoot, exp.JSONPathSubscript,
        exp.Extract, exp.PivotAny, exp.List, exp.CurrentTime, exp.Explode, exp.Inline,
    }
)  # fmt: skip
"""Parts of DuckDB's syntax besides those of Spark's."""
