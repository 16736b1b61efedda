SELECT country, poster_name, follower_count
FROM (
  SELECT country, poster_name, follower_count,
    row_number() OVER (PARTITION BY country ORDER BY follower_count DESC, poster_name) AS place
  FROM pin JOIN geo ON pin.ind = geo.ind
  WHERE country IS NOT NULL AND poster_name IS NOT NULL AND follower_count IS NOT NULL
) AS posters
WHERE place = 1
ORDER BY country
