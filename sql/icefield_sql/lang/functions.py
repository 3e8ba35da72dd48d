"""The functions that statements may call: Spark SQL's, less what looks beyond the data a statement names.

Left out, and so refused: what calls Java (`reflect`, `java_method`), names files, sessions, users, hosts or versions,
reads descriptors or schemas from files (`from_avro`, `from_protobuf`), and parses XML (`xpath`, `from_xml`: external
entities).
"""

from __future__ import annotations

AGGREGATES = frozenset(
    [
        "any",
        "any_value",
        "approx_count_distinct",
        "approx_percentile",
        "array_agg",
        "avg",
        "bit_and",
        "bit_or",
        "bit_xor",
        "bitmap_construct_agg",
        "bitmap_or_agg",
        "bool_and",
        "bool_or",
        "collect_list",
        "collect_set",
        "corr",
        "count",
        "count_if",
        "count_min_sketch",
        "covar_pop",
        "covar_samp",
        "every",
        "first",
        "first_value",
        "grouping",
        "grouping_id",
        "histogram_numeric",
        "hll_sketch_agg",
        "hll_union_agg",
        "kurtosis",
        "last",
        "last_value",
        "listagg",
        "max",
        "max_by",
        "mean",
        "median",
        "min",
        "min_by",
        "mode",
        "percentile",
        "percentile_approx",
        "percentile_cont",
        "percentile_disc",
        "regr_avgx",
        "regr_avgy",
        "regr_count",
        "regr_intercept",
        "regr_r2",
        "regr_slope",
        "regr_sxx",
        "regr_sxy",
        "regr_syy",
        "skewness",
        "some",
        "std",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "string_agg",
        "sum",
        "try_avg",
        "try_sum",
        "var_pop",
        "var_samp",
        "variance",
    ]
)

WINDOWS = frozenset(
    ["cume_dist", "dense_rank", "lag", "lead", "nth_value", "ntile", "percent_rank", "rank", "row_number"]
)

GENERATORS = frozenset(
    ["explode", "explode_outer", "inline", "inline_outer", "json_tuple", "posexplode", "posexplode_outer", "stack"]
)

TABLE_FUNCTIONS = frozenset({"range"}) | GENERATORS

_NUMBERS = """
    abs acos acosh asin asinh atan atan2 atanh bin bit_count bit_get bround cbrt ceil ceiling conv cos cosh cot
    csc degrees div e exp expm1 factorial floor getbit greatest hex hypot isnan least ln log log10 log1p log2
    mod nanvl negative pi pmod positive pow power radians rand randn random randstr rint round sec shiftleft
    shiftright shiftrightunsigned sign signum sin sinh sqrt tan tanh try_add try_divide try_mod try_multiply
    try_subtract unhex uniform width_bucket
"""
_STRINGS = """
    ascii base64 bit_length btrim char char_length character_length chr collate collation concat concat_ws
    contains decode elt encode endswith find_in_set charindex instr format_number format_string initcap
    is_valid_utf8 lcase left len length levenshtein like ilike locate lower lpad ltrim luhn_check
    make_valid_utf8 mask octet_length overlay position printf quote regexp regexp_count regexp_extract
    regexp_extract_all regexp_instr regexp_like regexp_replace regexp_substr repeat replace reverse right rlike
    rpad rtrim sentences soundex space split split_part startswith substr substring substring_index to_binary
    to_char to_number to_varchar translate trim try_to_binary try_to_number try_validate_utf8 ucase unbase64
    upper url_decode url_encode parse_url try_parse_url try_url_decode validate_utf8
"""
_TIMES = """
    add_months convert_timezone curdate current_date current_timestamp current_timezone date date_add date_diff
    date_format date_from_unix_date date_part date_sub date_trunc dateadd datediff datepart day dayname
    dayofmonth dayofweek dayofyear extract from_unixtime from_utc_timestamp hour last_day localtimestamp
    make_date make_dt_interval make_interval make_timestamp make_timestamp_ltz make_timestamp_ntz
    make_ym_interval minute month monthname months_between next_day now quarter second session_window timestamp
    timestamp_micros timestamp_millis timestamp_seconds timestampadd timestampdiff to_date to_timestamp
    to_timestamp_ltz to_timestamp_ntz to_unix_timestamp to_utc_timestamp trunc try_make_interval
    try_make_timestamp try_make_timestamp_ltz try_make_timestamp_ntz try_to_timestamp unix_date unix_micros
    unix_millis unix_seconds unix_timestamp weekday weekofyear window window_time year
"""
_NESTED = """
    aggregate array array_append array_compact array_contains array_distinct array_except array_insert
    array_intersect array_join array_max array_min array_position array_prepend array_remove array_repeat
    array_size array_sort array_union arrays_overlap arrays_zip cardinality element_at exists filter flatten
    forall get map map_concat map_contains_key map_entries map_filter map_from_arrays map_from_entries map_keys
    map_values map_zip_with named_struct reduce sequence shuffle size slice sort_array str_to_map struct
    transform transform_keys transform_values try_element_at zip_with
"""
_OTHERS = """
    aes_decrypt aes_encrypt assert_true bigint binary boolean bitmap_bit_position bitmap_bucket_number
    bitmap_count coalesce crc32 decimal double equal_null float from_csv from_json get_json_object hash
    hll_sketch_estimate hll_union if ifnull int is_variant_null isnotnull isnull json_array_length
    json_object_keys md5 monotonically_increasing_id nullif nullifzero nvl nvl2 parse_json raise_error
    schema_of_csv schema_of_json schema_of_variant sha sha1 sha2 smallint string tinyint to_csv to_json
    to_variant_object try_aes_decrypt try_parse_json try_variant_get typeof uuid variant_get xxhash64 zeroifnull
"""

SCALARS = frozenset(f"{_NUMBERS} {_STRINGS} {_TIMES} {_NESTED} {_OTHERS}".split())

ALLOWED = SCALARS | AGGREGATES | WINDOWS | GENERATORS
"""Every function that may be called where a value is wanted, by its lower-case name."""
