SELECT age_group, category, category_count
FROM (
  SELECT age_group, age_order, category, count(*) AS category_count,
    row_number() OVER (PARTITION BY age_group ORDER BY count(*) DESC, category) AS place
  FROM (
    SELECT category,
      CASE WHEN age BETWEEN 18 AND 24 THEN '18-24' WHEN age BETWEEN 25 AND 35 THEN '25-35' WHEN age BETWEEN 36 AND 50 THEN '36-50' WHEN age > 50 THEN ${over_50} END AS age_group,
      CASE WHEN age <= 24 THEN 1 WHEN age <= 35 THEN 2 WHEN age <= 50 THEN 3 ELSE 4 END AS age_order
    FROM pin JOIN `user` ON pin.ind = `user`.ind
  ) AS posts
  WHERE age_group IS NOT NULL AND category IS NOT NULL
  GROUP BY age_group, age_order, category
) AS counted
WHERE place = 1
ORDER BY age_order
