SELECT country, follower_count
FROM pin JOIN geo ON pin.ind = geo.ind
WHERE country IS NOT NULL AND poster_name IS NOT NULL AND follower_count IS NOT NULL
ORDER BY follower_count DESC, country
LIMIT 1
