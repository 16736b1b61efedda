SELECT country, category, category_count
FROM (
  SELECT country, category, count(*) AS category_count,
    row_number() OVER (PARTITION BY country ORDER BY count(*) DESC, category) AS place
  FROM pin JOIN geo ON pin.ind = geo.ind
  WHERE country IS NOT NULL AND category IS NOT NULL
  GROUP BY country, category
) AS counted
WHERE place = 1
ORDER BY country
