SELECT age_group, post_year, CAST(percentile_disc(0.5) WITHIN GROUP (ORDER BY follower_count) AS INT) AS median_follower_count
FROM (
  SELECT CAST(year(date_joined) AS INT) AS post_year, follower_count,
    CASE WHEN age BETWEEN 18 AND 24 THEN '18-24' WHEN age BETWEEN 25 AND 35 THEN '25-35' WHEN age BETWEEN 36 AND 50 THEN '36-50' WHEN age > 50 THEN ${over_50} END AS age_group,
    CASE WHEN age <= 24 THEN 1 WHEN age <= 35 THEN 2 WHEN age <= 50 THEN 3 ELSE 4 END AS age_order
  FROM pin JOIN `user` ON pin.ind = `user`.ind
  WHERE year(date_joined) BETWEEN 2015 AND 2020 AND follower_count IS NOT NULL
) AS posts
WHERE age_group IS NOT NULL
GROUP BY age_group, age_order, post_year
ORDER BY post_year, age_order
