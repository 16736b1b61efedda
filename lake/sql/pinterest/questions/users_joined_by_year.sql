SELECT CAST(year(date_joined) AS INT) AS post_year, count(*) AS number_users_joined
FROM (SELECT ${users} user_name, age, date_joined FROM `user`) AS people
WHERE year(date_joined) BETWEEN 2015 AND 2020
GROUP BY CAST(year(date_joined) AS INT)
ORDER BY post_year
