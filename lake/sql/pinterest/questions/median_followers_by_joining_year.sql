SELECT post_year, CAST(percentile_disc(0.5) WITHIN GROUP (ORDER BY follower_count) AS INT) AS median_follower_count
FROM (
  SELECT CAST(year(date_joined) AS INT) AS post_year, follower_count
  FROM pin JOIN `user` ON pin.ind = `user`.ind
  WHERE year(date_joined) BETWEEN 2015 AND 2020 AND follower_count IS NOT NULL
) AS posts
GROUP BY post_year
ORDER BY post_year
