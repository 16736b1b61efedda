-- Cleaned places of posts: one row for each raw one.
SELECT
  TRY_CAST(regexp_extract(strip(ind), '^([+-]?[0-9]{1,18})([.]0+)?$', 1) AS INT) AS ind,
  CASE WHEN strip(country) <> '' THEN country END AS country,
  latlon(
    TRY_CAST(regexp_extract(strip(latitude), '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$', 0) AS DOUBLE),
    TRY_CAST(regexp_extract(strip(longitude), '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$', 0) AS DOUBLE)
  ) AS coordinates,
  CASE
    WHEN regexp_extract(strip(`timestamp`), '^[0-9]{4}:[0-9]{2}:[0-9]{2} ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$', 0) <> ''
      THEN instant(concat(substr(strip(`timestamp`), 1, 4), '-', substr(strip(`timestamp`), 6, 2), '-', substr(strip(`timestamp`), 9)))
    WHEN regexp_extract(strip(`timestamp`), '^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?)?$', 0) <> ''
      THEN instant(strip(`timestamp`))
  END AS `timestamp`,
  pos
FROM geo_raw
