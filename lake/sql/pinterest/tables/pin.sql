-- Cleaned pins: one row for each raw one. Raw columns are text as it was sent, or null.
SELECT
  TRY_CAST(regexp_extract(strip(`index`), '^([+-]?[0-9]{1,18})([.]0+)?$', 1) AS INT) AS ind,
  CASE WHEN strip(unique_id) <> '' THEN unique_id END AS unique_id,
  CASE WHEN strip(title) NOT IN ('', ${title}) THEN title END AS title,
  CASE WHEN strip(description) NOT IN ('', ${description}) THEN description END AS description,
  TRY_CAST(floor(
    TRY_CAST(replace(regexp_replace(followers, '[KM]$', ''), ',', '') AS DECIMAL(24,6))
    * CAST(CASE WHEN followers LIKE '%K' THEN 1000 WHEN followers LIKE '%M' THEN 1000000 ELSE 1 END AS DECIMAL(7,0))
  ) AS INT) AS follower_count,
  CASE WHEN strip(poster_name) NOT IN ('', ${poster_name}) THEN poster_name END AS poster_name,
  CASE WHEN strip(tag_list) NOT IN ('', ${tag_list}) THEN tag_list END AS tag_list,
  CASE WHEN strip(is_image_or_video) <> '' THEN is_image_or_video END AS is_image_or_video,
  CASE WHEN strip(image_src) NOT IN ('', ${image_src}) THEN image_src END AS image_src,
  CASE WHEN strip(place) <> '' THEN place END AS save_location,
  CASE WHEN strip(category) <> '' THEN category END AS category,
  pos
FROM (
  SELECT *,
    -- 437, 12,345, 136k, 1.5M: the whole text, or '' when it is no such number
    regexp_extract(upper(strip(follower_count)), '^([0-9]{1,3}(,[0-9]{3})+|[0-9]{1,15})(([.][0-9]{1,6})?[KM])?$', 0) AS followers,
    regexp_replace(save_location, '^Local save in( +|$)', '') AS place
  FROM pin_raw
) AS raw
