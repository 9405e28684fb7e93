<?php

// config/database.php as Laravel ships it, pgsql part: everything comes from the env block, nothing knows of a failover.
return [
    'default' => getenv('DB_CONNECTION') ?: 'pgsql',

    'connections' => [
        'pgsql' => [
            'driver' => 'pgsql',
            'host' => getenv('DB_HOST') ?: '127.0.0.1',
            'port' => getenv('DB_PORT') ?: '5432',
            'database' => getenv('DB_DATABASE') ?: 'forge',
            'username' => getenv('DB_USERNAME') ?: 'forge',
            'password' => getenv('DB_PASSWORD') ?: '',
            'charset' => 'utf8',
            'prefix' => '',
            'prefix_indexes' => true,
            'schema' => 'public',
            'sslmode' => 'prefer',
        ],
    ],
];
