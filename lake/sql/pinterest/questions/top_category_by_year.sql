SELECT post_year, category, category_count
FROM (
  SELECT post_year, category, count(*) AS category_count,
    row_number() OVER (PARTITION BY post_year ORDER BY count(*) DESC, category) AS place
  FROM (
    SELECT CAST(year(`timestamp`) AS INT) AS post_year, category
    FROM pin JOIN geo ON pin.ind = geo.ind
    WHERE category IS NOT NULL AND year(`timestamp`) BETWEEN 2018 AND 2022
  ) AS posts
  GROUP BY post_year, category
) AS counted
WHERE place = 1
ORDER BY post_year
