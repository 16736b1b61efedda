-- Cleaned users: one row for each raw one.
SELECT
  TRY_CAST(regexp_extract(strip(ind), '^([+-]?[0-9]{1,18})([.]0+)?$', 1) AS INT) AS ind,
  nullif(concat_ws(' ', nullif(strip(first_name), ''), nullif(strip(last_name), '')), '') AS user_name,
  TRY_CAST(regexp_extract(strip(age), '^([+-]?[0-9]{1,18})([.]0+)?$', 1) AS INT) AS age,
  CASE
    WHEN regexp_extract(strip(date_joined), '^[0-9]{4}:[0-9]{2}:[0-9]{2} ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$', 0) <> ''
      THEN instant(concat(substr(strip(date_joined), 1, 4), '-', substr(strip(date_joined), 6, 2), '-', substr(strip(date_joined), 9)))
    WHEN regexp_extract(strip(date_joined), '^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?)?$', 0) <> ''
      THEN instant(strip(date_joined))
  END AS date_joined,
  pos
FROM user_raw
