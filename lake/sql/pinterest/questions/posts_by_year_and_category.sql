SELECT CAST(year(`timestamp`) AS INT) AS post_year, category, count(*) AS category_count
FROM pin JOIN geo ON pin.ind = geo.ind
WHERE category IS NOT NULL AND year(`timestamp`) BETWEEN 2018 AND 2022
GROUP BY CAST(year(`timestamp`) AS INT), category
ORDER BY post_year, category_count DESC, category
